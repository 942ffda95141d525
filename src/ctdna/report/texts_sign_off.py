"""Words of the sign-off: state of the document, signatures, what an amended report replaces."""

SIGN_OFF: dict[str, tuple[str, str]] = {
    "state.approved": ("Reviewed and approved, version {version}", "已审核并批准，第 {version} 版"),
    "state.amended_draft": (
        "Draft of version {version}: not reviewed, not signed",
        "第 {version} 版草稿：未审核、未签署",
    ),
    "section.approval": ("Review and approval", "审核与批准"),
    "approval.lead": (
        "Signed electronically in the ledger of the laboratory; each signature is bound to the digest of the result.",
        "已在实验室电子台账中签署；每个签名均与结果摘要值绑定。",
    ),
    "approval.result": ("Result signed (SHA-256): {digest}", "所签署结果（SHA-256）：{digest}"),
    "approval.run": ("Run: {run}", "运行：{run}"),
    "col.signature": ("Meaning", "签署含义"),
    "col.name": ("Name", "姓名"),
    "col.signed_role": ("Role", "职责"),
    "col.time": ("Time (UTC)", "时间（UTC）"),
    "col.comment": ("Comment", "备注"),
    "col.entry": ("Entry of the ledger", "台账条目"),
    "signature.reviewed": ("Reviewed", "审核"),
    "signature.approved": ("Approved", "批准"),
    "signed_role.technician": ("Technician", "技术员"),
    "signed_role.reviewer": ("Reviewer", "审核人"),
    "signed_role.director": ("Director", "负责人"),
    "notice.amended": (
        "Amended report, replaces version {version} of {time} because: {why}",
        "修订报告，替代 {time} 的第 {version} 版，原因：{why}",
    ),
}
