import pytest

from serving.service.admission import Admission, late
from serving.settings import Settings


@pytest.mark.parametrize(("given", "said"), [(2.5, "within 2.5 s"), (-0.2, "before the images were there")])
def test_a_time_that_is_told_is_never_negative(given, said):
    assert said in str(late(given))
    assert "-" not in str(late(given))


def test_those_who_are_just_passing_the_door_are_in_the_way_too():
    """Before they count as inside, others would be let in for the same place, and be refused at greater cost."""
    admission = Admission(Settings(max_queued_images=1, max_request_images=1))
    assert admission.full() is None
    admission.passing += 1
    assert "it holds 1 of 1 images" in str(admission.full())
