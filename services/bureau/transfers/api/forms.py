"""Small bodies of the transfer's routes; the larger ones stand beside their acts."""

from typing import Annotated

from pydantic import Field

from services.bureau.transfers.rules.application import HrssApprovalNo
from shared.contract.codes import VoidReason
from shared.contract.fields import ReasonText
from shared.web import Form


class Reason(Form):
    """Why; shown to the citizen and kept with the case."""

    reason: Annotated[ReasonText, Field(min_length=1, examples=["申请人撤回"])]


class Missing(Form):
    """一次性告知: everything that is missing, told once."""

    missing: Annotated[ReasonText, Field(min_length=1, examples=["结婚证原件"])]


class Approval(Form):
    """准予迁入; a talent case names the HRSS approval number."""

    hrss_approval_no: HrssApprovalNo | None = Field(default=None, examples=["沪人社〔2021〕0042号"])


class Voiding(Form):
    """作废, before anybody has signed."""

    reason_code: VoidReason = Field(examples=["WITHDRAWN"])
    reason_text: ReasonText = ""
