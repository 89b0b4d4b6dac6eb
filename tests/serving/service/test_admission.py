import pytest

from serving.service.admission import late


@pytest.mark.parametrize(("given", "said"), [(2.5, "within 2.5 s"), (-0.2, "before the images were there")])
def test_a_time_that_is_told_is_never_negative(given, said):
    assert said in str(late(given))
    assert "-" not in str(late(given))
