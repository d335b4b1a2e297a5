"""Examples for the OpenAPI document; the people are synthetic (AS13)."""

from typing import Any

APPLICATION_EXAMPLES: dict[str, Any] = {
    "spouse": {
        "summary": "夫妻投靠: Pinghu (Zhejiang) -> Jinshan (Shanghai)",
        "value": {
            "category": "KINSHIP",
            "reason_code": "SPOUSE",
            "applicant": {
                "citizen_id_no": "330482199003070025",
                "name": "王演示",
                "phone": "13000000000",
                "relation_to_head_code": "10",
            },
            "origin": {"division_code": "330482", "address": "乍浦镇演示路1号", "station_code": "330482910000"},
            "destination": {"division_code": "310116", "address": "吕巷镇演示路2号", "household_no": "000000001"},
            "sponsor": {"name": "李演示", "citizen_id_no": "310116198801010010"},
            "notice_signed": True,
        },
    }
}
