from tests.node.bureau import Bureau
from tests.node.transfers.cases import *
async def test_x(zhejiang: Bureau, shanghai: Bureau) -> None:
    for s in ("RECEIVED","RETURNED","VOID"):
        case = await at_origin(zhejiang, s, permit_for())
        assert list((await zhejiang.states(case)).values())==[s]
async def test_y(shanghai: Bureau) -> None:
    case=await here(shanghai)
    assert list((await shanghai.states(case)).values())==["HERE"]
    print(await shanghai.fingerprint())
