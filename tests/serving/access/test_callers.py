import pytest

from serving.access.callers import name_of


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("unix", "unix", True),
    ],
)
def test_an_address_is_a_caller_of_ipv6_a_network(one, other, same):
    assert (name_of({}, one, keyed=False) == name_of({}, other, keyed=False)) == same


def test_a_key_is_a_caller_wherever_it_comes_from_and_is_not_told():
    names = {
        name_of(headers, address, keyed=True)
        for address in ("192.0.2.1", "192.0.2.2")
        for headers in ({"x-api-key": "secret"}, {"x-api-key": "other"})
    }
    assert len(names) == 2
    assert not any("secret" in name for name in names)


def test_a_key_that_nobody_asked_for_makes_no_caller():
    """Else everyone could be as many callers as he likes."""
    assert name_of({"x-api-key": "made up"}, "192.0.2.1", keyed=False) == "192.0.2.1"
