"""What is remembered of what went up: only until the feed has told it, and only of what the feed tells."""

from gateway.upstream.echo import Echo

ROW, OTHER = ("operations", "o1"), ("operations", "o2")


def test_what_is_older_than_what_we_sent_is_not_news():
    echo = Echo(("operations",))
    echo.taken(ROW, ("status",), 7)
    assert echo.fresh(ROW, ("status", "notes"), 7) == {"notes"}
    assert echo.fresh(ROW, ("status", "notes"), 8) == {"status", "notes"}
    assert echo.fresh(OTHER, ("status",), 1) == {"status"}


def test_of_a_new_row_every_column_is_ours():
    echo = Echo(("operations",))
    echo.taken(ROW, None, 7)
    echo.taken(ROW, ("status",), 9)
    assert echo.fresh(ROW, ("status", "notes"), 8) == {"notes"}


def test_nothing_is_remembered_of_rows_that_the_feed_does_not_tell():
    echo = Echo(("operations",))
    echo.taken(("operation_quantities", "q1"), None, 7)
    assert len(echo) == 0


def test_it_is_forgotten_once_the_feed_is_through():
    echo = Echo(("operations",))
    echo.taken(ROW, None, 7)
    echo.taken(OTHER, None, 8)
    echo.taken(ROW, ("status",), 9)
    echo.told(8)
    assert echo.fresh(OTHER, ("notes",), 8) == {"notes"}
    assert echo.fresh(ROW, ("notes",), 7) == set()
    echo.told(9)
    assert len(echo) == 0


def test_an_answer_that_came_before_an_earlier_one_is_kept_a_page_longer_not_lost():
    echo = Echo(("operations",))
    echo.taken(ROW, None, 9)
    echo.taken(OTHER, None, 8)
    echo.told(8)
    assert len(echo) == 2
    echo.told(9)
    assert len(echo) == 0
