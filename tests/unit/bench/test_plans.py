"""What is read out of an executed plan."""

from bench.plans import Cost, Trees, cost_of, may_grow, name_of
from bench.scale import cheapest, compare
from core.store import inbox

SCAN = {
    "Node Type": "Index Scan",
    "Relation Name": "messages",
    "Index Name": "messages_thread_seq",
    "Index Searches": 3,
    "Actual Rows": 2.0,
    "Actual Loops": 3,
    "Rows Removed by Filter": 1,
    "Shared Hit Blocks": 9,
    "Shared Read Blocks": 0,
}
INSERT = {
    "Node Type": "ModifyTable",
    "Operation": "Insert",
    "Relation Name": "parts",
    "Actual Rows": 0.0,
    "Actual Loops": 1,
    "Shared Hit Blocks": 14,
    "Shared Read Blocks": 2,
    "Plans": [SCAN],
}
SMALL = Trees({"messages_thread_seq": 0, "parts_pkey": 0, "parts_reply_id_seq": 1}, {})
BIG = Trees(
    {"messages_thread_seq": 2, "parts_pkey": 2, "parts_reply_id_seq": 2},
    {"parts": ["parts_pkey", "parts_reply_id_seq"]},
)


def test_rows_are_those_that_were_looked_at_whether_kept_or_not():
    assert cost_of(SCAN) == Cost(rows=9, buffers=9, descents={"messages_thread_seq": 3})


def test_a_write_goes_down_every_index_of_its_table():
    cost = cost_of(INSERT)
    assert (cost.rows, cost.buffers, cost.writes) == (9, 16, {"parts": 9})
    assert may_grow(cost, SMALL, BIG) == 3 * 2 + 2 * 9 * (2 + 1)


def test_a_scan_of_a_whole_table_is_told_by_its_name():
    scan = {**SCAN, "Node Type": "Seq Scan", "Relation Name": "inbox"}
    del scan["Index Name"]
    assert cost_of(scan).sequential == ("inbox",)
    assert cost_of({**scan, "Actual Loops": 0}).sequential == ()


def test_a_statement_is_called_by_its_name_in_the_store():
    assert name_of(inbox._FINISH) == "inbox.finish"
    assert name_of(inbox._CLAIMS["turn"]) == "inbox.claims.turn"
    assert name_of("SELECT  1\n") == "SELECT 1"


def test_the_cheapest_run_stands_for_a_statement_but_no_whole_scan_is_forgiven():
    runs = [Cost(3, 20, sequential=("inbox",)), Cost(4, 10), Cost(3, 12)]
    assert cheapest(runs) == Cost(3, 10, sequential=("inbox",))


def test_more_rows_more_buffers_and_whole_scans_are_noticed():
    here = {
        "a": Cost(5, 10),
        "b": Cost(5, 10, {"parts_pkey": 1}),
        "c": Cost(5, 10),
        "d": Cost(5, 10),
        "gone": Cost(1, 1),
    }
    there = {
        "a": Cost(5, 10),
        "b": Cost(5, 12, {"parts_pkey": 1}),  # two levels taller
        "c": Cost(6, 11),
        "d": Cost(5, 10, sequential=("inbox",)),
    }
    found = list(compare(here, there, SMALL, BIG))
    assert [each.is_wider for each in found] == [False, False, True, False]
    assert [each.is_deeper for each in found] == [False, False, True, False]
    assert [each.is_sequential for each in found] == [False, False, False, True]
    assert [bool(each.complaint) for each in found] == [False, False, True, True]
