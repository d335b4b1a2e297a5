"""Examples for the OpenAPI document; the people are synthetic (AS13), of the population that the demo generates (seed 1)."""

from typing import Any

APPLICATION_EXAMPLES: dict[str, Any] = {
    "spouse": {
        "summary": "夫妻投靠: Pinghu (Zhejiang) -> Jinshan (Shanghai)",
        "value": {
            "category": "KINSHIP",
            "reason_code": "SPOUSE",
            "applicant": {
                "citizen_id_no": "330381198503119837",
                "name": "罗帆华",
                "phone": "13000000000",
                "relation_to_head_code": "11",
            },
            "origin": {"division_code": "330482", "address": "演示路196号907室", "station_code": "330482910000"},
            "destination": {"division_code": "310116", "address": "演示路911号1607室", "household_no": "001000039"},
            "sponsor": {"name": "袁莹", "citizen_id_no": "31011519840605982X"},
            "notice_signed": True,
        },
    }
}

CASE_EXAMPLE: dict[str, Any] = {
    "case": "019405f0-6b1c-7c3e-8f43-1d5a3b0c9e11",
    "apply_no": "QY31011620201120310177X",
    "previous_case": None,
    "side": "destination",
    "counterpart": "zhejiang",
    "category": "KINSHIP",
    "station_code": "310116910000",
    "states": ["APPROVED"],
    "permit_no": "沪00000042",
    "permit_valid_until": "2021-02-06",
    "migration_no": None,
    "issue": 0,
    "members": [
        {
            "place": 1,
            "state": "APPROVED",
            "label_zh": "准予迁入，已推送",
            "label_en": "Move-in approved, permit sent",
            "epoch": None,
            "since": "2026-11-24T02:15:00Z",
            "name": "王演示",
            "citizen_id_no": "330482199003070025",
        }
    ],
    "version": 5,
}
PROBLEM_EXAMPLE: dict[str, Any] = {
    "type": "urn:quanyu:problem:invalid_input",
    "title": "the input is not valid",
    "title_zh": "填写的内容有误",
    "status": 422,
    "detail": "applicant.citizen_id_no: 校验码不符：末位应为 5，实为 1（GB 11643-1999） / check digit is 1, should be 5",
    "code": "invalid_input",
    "errors": [
        {
            "field": "applicant.citizen_id_no",
            "rule": "check_digit",
            "source": "GB 11643-1999",
            "zh": "校验码不符：末位应为 5，实为 1",
            "en": "check digit is 1, should be 5",
        }
    ],
    "instance": "4bf92f3577b34da6a3ce929d0e0e4736",
}
PROBLEM_TEXTS = {
    401: "no valid access token",
    403: "this role may not, or not for this case",
    404: "no such case at this bureau",
    409: "the case is not where this act begins, or the register speaks against it",
    422: "fields are wrong: each with rule, source, and text in both languages",
    503: "database or key not usable now: try again with the same Idempotency-Key",
}


def responses_of(example: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says that a route answers."""
    told: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": {"application/problem+json": {"example": PROBLEM_EXAMPLE}}}
        for status, text in PROBLEM_TEXTS.items()
    }
    return told | {200: {"description": "the case as it now stands", "content": {"application/json": {"example": example}}}}
