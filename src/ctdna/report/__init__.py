"""The canonical result document and its renderings."""
