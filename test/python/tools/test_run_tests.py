"""The runner's arithmetic: what a crash, a skip or a torn report counts as."""

import lint
import pytest
import run_tests

Count = run_tests.Count

PASS = '<testcase name="a" classname="s" status="run"/>'
FAIL = '<testcase name="b" classname="s" status="run"><failure message="no"/></testcase>'
ERROR = '<testcase name="c" classname="s"><error message="setup"/></testcase>'
SKIP = '<testcase name="d" classname="s"><skipped message="no GPU"/></testcase>'
DISABLED = '<testcase name="e" classname="s" status="notrun"/>'


def write(path, *cases):
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    return path


def test_outcomes_are_counted_by_case(tmp_path):
    path = write(tmp_path / "r.xml", PASS, PASS, FAIL, ERROR, SKIP, DISABLED)
    assert run_tests.read_junit(path, 1) == Count(passed=2, failed=2, skipped=2)


def test_crash_without_report_is_a_failure(tmp_path):
    assert run_tests.read_junit(tmp_path / "none.xml", -11) == Count(failed=1)


def test_torn_report_is_a_failure(tmp_path):
    path = tmp_path / "torn.xml"
    path.write_text("<testsuites><testsuite><testca")
    assert run_tests.read_junit(path, 139) == Count(failed=1)


def test_bad_exit_with_a_clean_report_is_a_failure(tmp_path):
    path = write(tmp_path / "r.xml", PASS)
    assert run_tests.read_junit(path, 1) == Count(passed=1, failed=1)


def test_executable_that_ctest_never_ran_is_a_failure(tmp_path):
    reports = tmp_path / "gtest"
    reports.mkdir()
    write(reports / "ran.xml", PASS, SKIP)
    summary = write(tmp_path / "ctest.xml", '<testcase name="ran" status="run"/>')
    count = run_tests.count_gtest(["ran", "vanished"], summary, reports)
    assert count == Count(passed=1, failed=1, skipped=1)


def test_executable_that_ctest_failed_is_a_failure(tmp_path):
    reports = tmp_path / "gtest"
    reports.mkdir()
    write(reports / "leaky.xml", PASS)
    summary = write(tmp_path / "ctest.xml", '<testcase name="leaky" status="fail"/>')
    count = run_tests.count_gtest(["leaky"], summary, reports)
    assert count == Count(passed=1, failed=1)


def test_last_line():
    total = Count(3, 0, 1) + Count(0, 2, 0)
    assert str(total) == "3 passed, 2 failed, 1 skipped"


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        ("// CHECK foo", True),
        ("// CHECK-NEXT foo", True),
        ("; SM80-CHECK-DAG foo", True),
        ("// CHECK-LABEL @f", True),
        ("// CHECK: foo", False),
        ("// CHECK-NOT: foo", False),
        ("// CHECK-COUNT-3: foo", False),
        ("// CHECKS that the loop is gone", False),
    ],
)
def test_lint_finds_check_lines_without_a_colon(line, lost):
    assert bool(lint.LOST_COLON.match(line)) is lost
