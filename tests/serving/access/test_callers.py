import pytest

from serving.access.callers import network_of
from serving.access.keys import ApiKeys


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
    assert (network_of(one) == network_of(other)) == same


def test_a_key_is_a_caller_and_is_not_told(tmp_path):
    """The one that was found: another header with it may hold anything, and would make many callers of one."""
    file = tmp_path / "keys"
    file.write_text("secret\nother\n")
    keys = ApiKeys(file)
    name = keys.check({"authorization": "Bearer secret"})
    assert name == keys.check({"x-api-key": "secret"})
    assert name == keys.check({"authorization": "Bearer secret", "x-api-key": "made up"})
    assert name != keys.check({"x-api-key": "other"})
    assert "secret" not in name
