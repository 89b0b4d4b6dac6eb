from tests.fuzz import api


def test_a_server_answers_as_its_document_says():
    """For ten seconds; ``make fuzz`` asks for longer."""
    assert api.main(10) == 0
