import pytest

from serving.settings.policy import VersionPolicies, VersionPolicy


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("latest", {9}),
        ("latest:1", {9}),
        ("latest:2", {9, 4}),
        ("latest:99", {1, 4, 9}),
        ("all", {1, 4, 9}),
        ("4", {4}),
        ("1+9", {1, 9}),
        ("7", {7}),
        ("1764460800", {1764460800}),
    ],
)
def test_rules(rule, wanted):
    assert VersionPolicy.parse(rule).wanted([1, 9, 4]) == wanted


@pytest.mark.parametrize("rule", ["", "newest", "latest:0", "latest:", "1,2", "1+", "0", "-1", "latest:x"])
def test_what_is_no_rule_is_told(rule):
    with pytest.raises(ValueError, match="is none of latest, latest:2, all, and numbers"):
        VersionPolicy.parse(rule)


def test_a_model_may_have_its_own():
    policies = VersionPolicies.parse("latest:2, selfie=all,orientation=1+3")
    versions = range(1, 5)
    assert policies.of("selfie").wanted(versions) == {1, 2, 3, 4}
    assert policies.of("orientation").wanted(versions) == {1, 3}
    assert policies.of("other").wanted(versions) == {3, 4}
    assert VersionPolicies.parse("selfie=all").of("other").wanted(versions) == {4}
