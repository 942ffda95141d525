"""The words of CIViC's vocabulary: significance, kinds of evidence, and the commoner diseases."""

_DISEASES = {
    "Acute Myeloid Leukemia": "急性髓系白血病",
    "Breast Cancer": "乳腺癌",
    "Cancer": "肿瘤",
    "Cholangiocarcinoma": "胆管癌",
    "Colorectal Adenocarcinoma": "结直肠腺癌",
    "Colorectal Cancer": "结直肠癌",
    "Gastrointestinal Stromal Tumor": "胃肠道间质瘤",
    "Lung Adenocarcinoma": "肺腺癌",
    "Lung Cancer": "肺癌",
    "Lung Non-small Cell Carcinoma": "非小细胞肺癌",
    "Melanoma": "黑色素瘤",
    "Multiple Myeloma": "多发性骨髓瘤",
    "Ovarian Cancer": "卵巢癌",
    "Pancreatic Cancer": "胰腺癌",
    "Pancreatic Carcinoma": "胰腺癌",
    "Skin Melanoma": "皮肤黑色素瘤",
    "Stomach Carcinoma": "胃癌",
    "Systemic Mastocytosis": "系统性肥大细胞增多症",
    "Thyroid Gland Papillary Carcinoma": "甲状腺乳头状癌",
}

KNOWLEDGE: dict[str, tuple[str, str]] = {
    "significance.Sensitivity/Response": ("sensitive", "敏感"),
    "significance.Reduced Sensitivity": ("less sensitive", "敏感性降低"),
    "significance.Resistance": ("resistant", "耐药"),
    "significance.Poor Outcome": ("poor outcome", "预后较差"),
    "significance.Better Outcome": ("better outcome", "预后较好"),
    "significance.Positive": ("supports the diagnosis", "支持该诊断"),
    "significance.Negative": ("speaks against the diagnosis", "不支持该诊断"),
    "evidence.Predictive": ("Response to therapy", "疗效"),
    "evidence.Prognostic": ("Prognosis", "预后"),
    "evidence.Diagnostic": ("Diagnosis", "诊断"),
    **{f"disease.{name}": (name, chinese) for name, chinese in _DISEASES.items()},
}
