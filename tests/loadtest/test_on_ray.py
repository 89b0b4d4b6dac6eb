from loadtest.on_ray import Round, table


def test_the_table_tells_medians_and_how_they_stand_to_plain_loupe():
    plain = [Round(tree=9.0), Round(tree=8.0), Round(tree=100.0)]
    ray = [Round(tree=12.6, replica=9.9, HAProxy=0.3), Round(tree=11.0, replica=9.0, HAProxy=0.26)]
    lines = table(plain, ray).splitlines()
    assert lines[2] == "| plain Loupe | 9.00 | 1 |"
    assert lines[3] == "| Ray Serve, replica | 9.45 | 1.05 |"
    assert lines[4] == "| Ray Serve, HAProxy | 0.28 | 0.03 |"
    assert lines[5] == "| Ray Serve, tree | 11.80 | 1.31 |"
