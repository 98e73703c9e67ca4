"""What tasks do around the commands they run: their clock, their errors, and whom they tell."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from builders.receivers import http_receiver, mail_receiver
from onward.errors import NOT_TO_BE_RETRIED

ROOT = Path(__file__).resolve().parents[2]

FAKE_CLI = """
import json, sys, time
words = sys.argv[1:]
if words == ["fail"]:
    print("first"); sys.exit("Error: params.yaml: run.as_of: say a day")
if words == ["ask wrongly"]:
    print("Error: params.yaml: thresholds: say a number", file=sys.stderr); sys.exit(2)
if words == ["sleep"]:
    print("sleeping", flush=True); time.sleep(60)
if words == ["noisy"]:
    print("warming up"); print("warning: tepid", file=sys.stderr); print(json.dumps({"heard": sys.stdin.read()}))
if words == ["deaf"]:
    print("not JSON")
"""


# Airflow takes seconds to import: one process does so, and every program runs in a fork of it.
FORKS = """
import json, os, sys, traceback
import airflow.sdk, airflow.sdk.exceptions
assert not any(name.partition(".")[0] in ("onward", "onward_tasks", "retrain") for name in sys.modules)
for line in sys.stdin:
    program, folder, environment = json.loads(line)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.chdir(folder)
            for number, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            os.environ.update(environment)
            sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
            exec(program, {"__name__": "__main__"})
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    home = str(tmp_path_factory.mktemp("airflow"))
    environment = {"PATH": str(Path(sys.executable).parent), "HOME": home, "AIRFLOW_HOME": home}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FORKS],
        cwd=home, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield process


@pytest.fixture
def answer(forks, tmp_path):
    """Run a program with the DAG files importable and a command line of one's own; return what it printed last."""
    (tmp_path / "onward").mkdir()
    (tmp_path / "onward" / "__init__.py").touch()
    shutil.copy(ROOT / "src" / "onward" / "choices.py", tmp_path / "onward")
    (tmp_path / "onward" / "cli.py").write_text(FAKE_CLI)

    def ask(program, **environment):
        environment = {"PYTHONPATH": f"{ROOT / 'dags'}:{tmp_path}", **environment}
        forks.stdin.write(json.dumps([program, str(tmp_path), environment]) + "\n")
        forks.stdin.flush()
        status = forks.stdout.readline().strip()
        assert status == "0", (status, (tmp_path / "err").read_text()[-3000:])
        return json.loads((tmp_path / "out").read_text().splitlines()[-1])

    return ask


CLOCK = """
import json
from datetime import datetime, UTC
from types import SimpleNamespace
from airflow.sdk.exceptions import AirflowSkipException
import retrain
def clock(kind, run_after, end):
    moment = lambda text: text and datetime.fromisoformat(text).replace(tzinfo=UTC)
    run = SimpleNamespace(
        run_type=SimpleNamespace(value=kind), run_after=moment(run_after), data_interval_end=moment(end))
    try:
        return str(retrain.clock(run))
    except AirflowSkipException as skip:
        return "skipped: " + str(skip)
print(json.dumps([
    clock("scheduled", "2017-10-09", "2017-10-09"), clock("scheduled", "2026-11-23", "2026-11-23"),
    clock("backfill", "2026-11-23", "2017-10-09"), clock("backfill", "2026-11-23", "2018-02-05"),
    clock("manual", "2026-11-21T13:57", "2026-11-21T13:57"), clock("asset_triggered", "2026-11-21", None),
]))
"""


def test_a_run_is_about_its_interval_or_the_last_day_of_the_log(answer):
    scheduled, beyond, backfilled, refused_later, manual, event = answer(CLOCK, ONWARD_LAST_AS_OF="2017-11-20")
    assert (scheduled, backfilled) == ("2017-10-09", "2017-10-09")
    assert beyond.startswith("skipped: no run as of 2026-11-23: the log can be trusted until 2017-11-20")
    # Somebody asked for that week: the pipeline says what is missing, red.
    assert refused_later == "2018-02-05"
    assert (manual, event) == ("2017-11-20", "2017-11-20")


def test_where_the_log_grows_a_run_is_about_the_day_it_was_asked_for(answer):
    found = answer(CLOCK, ONWARD_LAST_AS_OF="none")
    assert found == ["2017-10-09", "2026-11-23", "2017-10-09", "2018-02-05", "2026-11-21", "2026-11-21"]


def test_a_run_is_about_the_shop_s_day_and_not_that_of_utc(answer, tmp_path):
    shop = tmp_path / "shop"
    shop.mkdir()
    shutil.copy(ROOT / "dvc.yaml", shop)
    (shop / "params.yaml").write_text(
        (ROOT / "params.yaml").read_text().replace("time_zone: UTC", "time_zone: America/Los_Angeles")
    )
    found = answer(CLOCK, ONWARD_LAST_AS_OF="none", ONWARD_PROJECT=str(shop))
    # Midnight and two in the afternoon of UTC: the evening before, and the morning of the same day.
    assert found == ["2017-10-08", "2026-11-22", "2017-10-08", "2018-02-04", "2026-11-21", "2026-11-20"]
    program = """
import json, monitor, retrain
from datetime import datetime, UTC
moments = [dag.timetable.timetable if hasattr(dag.timetable, "timetable") else dag.timetable
           for dag in (monitor.monitor(), retrain.retrain())]
print(json.dumps([str(each.timezone) if hasattr(each, "timezone") else str(each._timezone) for each in moments]))
"""
    assert answer(program, ONWARD_PROJECT=str(shop)) == ["America/Los_Angeles"] * 2


def test_without_a_setting_the_clock_of_params_yaml_is_the_last_day(answer):
    program = "import json; from onward_tasks.settings import last_as_of; print(json.dumps(str(last_as_of())))"
    (text,) = [line for line in (ROOT / "params.yaml").read_text().splitlines() if line.strip().startswith("as_of:")]
    assert answer(program) == text.split('"')[1]


COMMANDS = """
import json, os, pathlib, signal, time
from onward_tasks.commands import ask, run
here = pathlib.Path(".").resolve()
import onward_tasks.commands as commands
def error(call, *words):
    try:
        call(*words, **({"project": here} if call is run else {}))
    except RuntimeError as error:
        return str(error)
commands.PROJECT = here
run.__kwdefaults__["project"] = here
print(json.dumps([error(run, "fail"), error(ask, "deaf"), ask("noisy", question={"a": "; rm $(x)\\n"})]))
"""


def test_a_command_that_fails_is_quoted_and_its_question_never_meets_a_shell(answer, tmp_path):
    failed, deaf, noisy = answer(COMMANDS)
    assert failed.startswith("Error: params.yaml: run.as_of: say a day [`onward fail` in ")
    assert failed.endswith("ended with status 1]")
    assert "the last line is not JSON: not JSON" in deaf
    assert json.loads(noisy["heard"]) == {"a": "; rm $(x)\n"}


TIMEOUT = """
import json, os, pathlib, signal, time
from onward_tasks.commands import run
class Timeout(BaseException): pass
def alarm(*_): raise Timeout
signal.signal(signal.SIGALRM, alarm)
signal.alarm(3)
started = time.monotonic()
try:
    run("sleep", project=pathlib.Path("."))
except Timeout:
    pass
def status(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return None
children = [pid for pid in os.listdir("/proc") if pid.isdigit() and status(pid) == str(os.getpid())]
print(json.dumps({"seconds": time.monotonic() - started, "children": children}))
"""


MISTAKE = """
import json, pathlib
from airflow.sdk.exceptions import AirflowFailException
from onward_tasks.commands import run
ended = []
for word in ("fail", "ask wrongly"):
    try:
        run(word, project=pathlib.Path("."))
    except Exception as error:
        ended.append([isinstance(error, AirflowFailException), str(error)])
print(json.dumps(ended))
"""


def test_a_mistake_fails_its_task_at_once_and_what_may_pass_is_tried_again(answer):
    # Airflow tries a task again whatever it raises, but this one class.
    (again, _), (at_once, said) = answer(MISTAKE)
    assert (again, at_once) == (False, True)
    assert said.startswith("Error: params.yaml: thresholds: say a number [")


def test_the_status_of_a_mistake_is_that_of_the_command_line(answer):
    program = "import json; from onward_tasks.commands import NOT_TO_BE_RETRIED; print(json.dumps(NOT_TO_BE_RETRIED))"
    assert answer(program) == NOT_TO_BE_RETRIED


def test_a_task_that_runs_out_of_time_takes_its_command_along(answer):
    found = answer(TIMEOUT)
    assert found["children"] == []
    assert found["seconds"] < 30


NOTIFY = """
import json, logging, os
from types import SimpleNamespace
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from onward_tasks.channels import tell
from onward_tasks.notify import FailureNotifier, failure_message
said = []
class Keep(logging.Handler):
    def emit(self, record): said.append((record.levelname, self.format(record)))
logging.getLogger().addHandler(Keep()); logging.getLogger("onward_tasks").setLevel("INFO")
connections = json.loads(os.environ["CONNECTIONS"])
def get(name):
    if name not in connections: raise AirflowNotFoundException("none")
    if connections[name] is None: raise json.JSONDecodeError("Expecting value", '{"host": "https://s3cret"', 3)
    nothing = dict.fromkeys(("host", "port", "login", "password"))
    return SimpleNamespace(**{**nothing, "extra_dejson": {}, **connections[name]})
BaseHook.get_connection = staticmethod(get)
ti = SimpleNamespace(dag_id="retrain", task_id="pipeline.deploy", run_id="manual__1", try_number=4, log_url="http://a/b")
context = {"ti": ti, "exception": RuntimeError("Error: no such\\nthing")}
FailureNotifier().notify(context)
told = len(said)
FailureNotifier().notify({**context, "reason": "task_failure"})
repeated = said[told:]
if not connections:
    FailureNotifier().notify({"dag": ti, "run_id": "manual__1", "reason": "timed_out"})
print(json.dumps({
    "said": said[:told], "message": failure_message(context), "lost": failure_message({"ti": ti}),
    "repeated": repeated, "ended": said[-1][1],
}))
"""


@pytest.fixture
def notified(answer):
    """Tell of a failure by the command line as it is, and by these connections of Airflow."""

    def notify(**connections):
        place = f"{ROOT / 'dags'}:{ROOT / 'src'}"
        return answer(NOTIFY, PYTHONPATH=place, CONNECTIONS=json.dumps(connections))

    return notify


def lines(found, level):
    return [text for kind, text in found["said"] if kind == level]


def test_a_failure_is_always_logged_and_told_once(notified):
    found = notified()
    (error,) = lines(found, "ERROR")
    message = found["message"]
    assert error == message["text"]
    assert message["error"] == "Error: no such thing"
    for part in ("retrain", "pipeline.deploy", "manual__1", "try 4", "http://a/b", "clear this task of this run"):
        assert part in message["text"]
    assert (message["key"], message["severity"]) == ("failed-retrain-pipeline.deploy", "warning")
    assert "worker was lost" in found["lost"]["text"]
    # A run tells of itself only when no task has.
    assert found["repeated"] == []
    assert found["ended"].startswith("retrain: run manual__1 failed: timed_out\nRun: http")


def test_every_connection_is_a_channel(notified):
    with http_receiver() as web, mail_receiver() as post:
        port = int(post.address.rpartition(":")[2])
        letters = {"disable_ssl": True, "from_email": "onward@example.org", "to_email": "ada@example.org"}
        found = notified(
            onward_webhook={"host": f"{web.address}/hook", "password": "a token"},
            onward_slack={"host": f"{web.address}/services", "password": "T/B/x"},
            onward_pagerduty={"host": f"{web.address}/enqueue", "password": "0" * 32},
            onward_smtp={"host": "127.0.0.1", "port": port, "extra_dejson": letters},
        )
    assert lines(found, "WARNING") == []
    heard = {request.path: request for request in web.taken}
    assert heard["/hook"].headers["Authorization"] == "Bearer a token"
    assert heard["/hook"].body["task"] == "pipeline.deploy"
    assert heard["/enqueue"].body["dedup_key"] == "failed-retrain-pipeline.deploy"
    assert "pipeline.deploy" in heard["/services/T/B/x"].body["text"]
    assert "clear this task" in post.taken[0].message.get_content()


def test_a_connection_that_is_broken_is_one_warning_without_its_secret_and_stops_no_other(notified):
    with http_receiver() as web:
        broken = {
            "not there": {"host": f"{web.address}/gone/s3cret?key=s3cret"},
            "elsewhere": {"host": "http://127.0.0.1:9/s3cret"},
            "user": {"host": "http://somebody:s3cret@127.0.0.1:9"},
            "no address": {"host": "ftp://example.org/s3cret"},
            "nothing": {"host": ""},
            "no JSON": None,
        }
        for name, connection in broken.items():
            web.refusals = [404] if name == "not there" else []
            if name == "not there":
                found = notified(onward_webhook=connection)
            else:
                found = notified(onward_webhook=connection, onward_slack={"host": f"{web.address}/{name[:2]}"})
                assert web.taken.pop().path == f"/{name[:2]}", name
            (warning,) = lines(found, "WARNING")
            assert "s3cret" not in json.dumps(found["said"]), name
            assert "Traceback" not in json.dumps(found["said"]), name
            assert ("webhook" in warning) or ("ONWARD_WEBHOOK" in warning), name
    assert web.taken == []


ANNOUNCE = """
import json
from onward_tasks.assets import told
extra = {"version": 4, "as_of": "2017-11-20", "level": 3}
print(json.dumps([
    told({}, extra), told({"version": 4, "as_of": "2017-11-13"}, extra),
    told({"version": 3, "as_of": "2017-11-20"}, extra), told({**extra, "level": 1}, extra),
]))
"""


def test_drift_is_announced_once_a_version_and_state_of_the_log(answer):
    assert answer(ANNOUNCE) == [False, False, False, True]


EVENTS = """
import json
from types import SimpleNamespace
from onward_tasks.assets import DRIFT
from retrain import clock, drift_seen
from datetime import datetime, UTC
from airflow.sdk.exceptions import AirflowFailException
def refused(extra):
    try:
        return about(extra)
    except AirflowFailException as error:
        return str(error)
def about(extra):
    seen = drift_seen({DRIFT: [SimpleNamespace(extra={"as_of": "2000-01-01"}), SimpleNamespace(extra=extra)]})
    run = SimpleNamespace(
        run_type=SimpleNamespace(value="asset_triggered"), run_after=datetime(2018, 1, 15, 6, tzinfo=UTC))
    return [str(clock(run, seen.get("as_of"))), seen.get("run_from")]
print(json.dumps([
    drift_seen({}), drift_seen({DRIFT: []}), about({"as_of": "2018-01-08", "run_from": "fit_thresholds"}), about({}),
    about({"as_of": "2030-01-01"}), refused({"as_of": "soon"}),
]))
"""


def test_a_training_that_drift_started_is_about_the_day_of_the_look(answer):
    # A run that somebody started by hand knows the asset too, without any event.
    nothing, by_hand, seen, silent, ahead, no_day = answer(EVENTS, ONWARD_LAST_AS_OF="2018-01-10")
    assert nothing == by_hand == {}
    assert seen == ["2018-01-08", "fit_thresholds"]
    assert silent == ahead == ["2018-01-10", None]
    assert "'soon', which is no day" in no_day


CHANGES = """
import json
from datetime import datetime, UTC
from types import SimpleNamespace
import promote
from airflow.sdk.exceptions import AirflowFailException
from onward_tasks.assets import ROLLBACK
at = datetime(2017, 11, 20, 6, tzinfo=UTC)
ran = []
promote.run = lambda *words: ran.append(words)
promote.ask = lambda *words, question: ran.append((*words, question["as_of"]))
def change(dag, **context):
    ran.clear()
    promote.get_current_context = lambda: context
    try:
        dag.get_task("change").python_callable()
    except AirflowFailException as error:
        return [*ran, "refused: " + str(error)]
    return list(ran)
def event(minute, **extra):
    return SimpleNamespace(extra=extra, timestamp=at.replace(minute=minute))
def form(**asked):
    whole = {"version": None, "expected": None, "reason": "half the shop sees candles", **asked}
    return change(promoted, params=whole, dag_run=SimpleNamespace(triggering_user_name="ada", run_after=at))
def events(*raised):
    return change(rolled_back, run_id="event__1", triggering_asset_events={ROLLBACK: list(raised)})
promoted, rolled_back = promote.promote(), promote.rollback()
print(json.dumps([
    form(action="roll_back", expected=3), form(action="roll_back"), form(action="promote", version=2, expected=0),
    events(event(5, version=2, reason="orders fell again"), event(1, version=3, reason="orders fell")),
    events(event(1, reason="orders fell after the change"), event(2, version=3, reason="orders fell after it")),
    events(event(1, version=3, as_of="2017-11-20", action="rollback", reason="orders fell after it")),
]))
"""


def test_a_change_names_the_version_that_was_in_use_and_when_it_was_asked_for(answer):
    back, unnamed, forward, both, one, ruled = answer(CHANGES)
    asked, why = "--asked-at=2017-11-20T06:00:00+00:00", "--reason=half the shop sees candles"
    assert back == [["rollback", why, "--by=ada in Airflow", asked, "--expected=3"]]
    assert unnamed == ["refused: roll back needs the version in use: see `onward status`, and trigger again"]
    assert forward == [["promote", "2", why, "--by=ada in Airflow", asked, "--expected=0"]]
    # Two events of one run: the earlier one first, whichever order Airflow hands them over in.
    assert [words[1:3] for words in both] == [
        ["--expected=3", "--asked-at=2017-11-20T06:01:00+00:00"],
        ["--expected=2", "--asked-at=2017-11-20T06:05:00+00:00"],
    ]
    assert one[0][1] == "--expected=3"
    # What the rules asked for is done once there is a run of it.
    assert ruled[1] == ["act", "--started-by=event__1", "2017-11-20"]
    assert one[1].startswith("refused: onward_rollback needs in its extra the version to take out of use")


CHAMPION = """
import json
from types import SimpleNamespace
from airflow.sdk.exceptions import AirflowSkipException
import onward_tasks.champion as champion
from onward_tasks.assets import CHAMPION
class Events:
    def __init__(self, versions): self.versions = versions
    def ascending(self, ascending): return Events(self.versions if ascending else self.versions[::-1])
    def limit(self, most): return [SimpleNamespace(extra=each) for each in self.versions[:most]]
def told(version, *before):
    outlet = SimpleNamespace(extra={})
    champion.get_current_context = lambda: {
        "inlet_events": {CHAMPION: Events([{"version": each} for each in before])}, "outlet_events": {CHAMPION: outlet}}
    champion.ask = lambda *words: {"version": version} if words == ("status", "--json") else None
    try:
        champion.tell_champion.function()
    except AirflowSkipException as skip:
        return str(skip)
    return outlet.extra
print(json.dumps([told(4), told(4, 3), told(4, 3, 4), told(3, 3, 4), told(None)]))
"""


def test_a_champion_is_told_of_each_time_it_has_come_into_use_and_a_retry_tells_nothing(answer):
    first, second, again, back, nothing = answer(CHAMPION)
    assert first == second == {"version": 4}
    assert again == "version 4 is in use, as was told before"
    assert back == {"version": 3}
    assert nothing == "nothing is in use"


LATE = """
import json, logging
from airflow.sdk.execution_time.callback_supervisor import execute_callback
import promote
said = []
class Keep(logging.Handler):
    def emit(self, record): said.append(record.getMessage())
logger = logging.getLogger("onward_tasks"); logger.addHandler(Keep()); logger.setLevel("INFO")
import onward_tasks.notify as notify
notify.tell = lambda message: said.append(message["text"])
(deadline,) = promote.rollback().deadline
stored = deadline.callback.serialize()
# What Airflow's scheduler stores of a run when it is late, and the program that it lets a worker run then.
context = {"dag_run": {"dag_id": "rollback", "dag_run_id": "event__1", "state": "queued"},
           "deadline": {"id": "1", "deadline_time": "2026-11-23T06:15:00Z"}}
class Quiet:
    def __getattr__(self, name): return lambda *_, **__: None
done = execute_callback(stored["path"], {**stored["kwargs"], "context": context}, "promote.py", None, Quiet())
print(json.dumps([done, said]))
"""


def test_of_a_run_that_is_late_people_are_told_which_it_is_and_where(answer):
    # As Airflow runs it: by the name that the DAG file gave it, with what it keeps in its database.
    done, said = answer(LATE, ONWARD_DEADLINES="1")
    assert done == [True, None]
    assert len(said) == 2
    for text in said:
        assert text.startswith("rollback: run event__1 is late: it has not ended 0.25 hours after it was queued")
        assert "/dags/rollback/runs/event__1" in text


STARTED = """
import json
from datetime import datetime, UTC
from types import SimpleNamespace
import retrain
from onward_tasks.assets import DRIFT
asked = []
def ask(*words, question=None):
    asked.append([*words, (question or {}).get("as_of")])
    return {"run": "2017-11-20-3f2a9c1b"}
retrain.ask = ask
event = SimpleNamespace(extra={"version": 4, "as_of": "2017-11-20", "action": "retrain"})
run = SimpleNamespace(
    run_type=SimpleNamespace(value="asset_triggered"), run_after=datetime(2017, 11, 20, 6, tzinfo=UTC))
params = {"as_of": None, "run_from": None, "dry_run": False}
retrain.get_current_context = lambda: {
    "params": params, "triggering_asset_events": {DRIFT: [event]}, "dag_run": run, "run_id": "event__1"}
retrain.retrain().get_task("start").python_callable()
print(json.dumps(asked))
"""


def test_a_training_that_an_action_asked_for_says_that_it_is_the_one(answer):
    began, said = answer(STARTED, ONWARD_LAST_AS_OF="none")
    assert began == ["run", "start", "2017-11-20"]
    assert said == ["act", "--started-by=2017-11-20-3f2a9c1b", "2017-11-20"]
