"""What every channel promises, against real receivers on loopback; a new channel inherits `ChannelContract`."""

import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from builders.receivers import http_receiver, mail_receiver, raw_receiver, self_signed
from onward.channels import http_post, mail
from onward.channels.channel_settings import read_channel_settings
from onward.channels.mail import Mail
from onward.channels.message import ChannelError, Message
from onward.channels.pagerduty import PagerDuty
from onward.channels.sending import TRIES, send_to_all
from onward.channels.slack import Slack
from onward.channels.webhook import Webhook

AT = datetime(2026, 11, 23, 6, tzinfo=UTC)
SECRET = "s3cret-part"
MESSAGE = Message(
    key="drift-v4", state="triggered", severity="critical", summary="drift: version 4: Level 3 has drifted",
    text="Action: retrain. Positivity moved.", source="shop-1", at=AT, link="https://pages.example/oncall.html#drift",
    details={"rule": "drift", "action": "retrain"},
)  # fmt: skip
# Header injection, Slack's mentions, control characters, an em dash of Windows, a whole page, and an emoji.
HOSTILE = "a\r\nBcc: all@example.org\r\n.\r\n<!channel> & <script> \x00 \u2028 \U0001f4a5 " + "long " * 2000


class ChannelContract:
    """What all keep. Each says how to listen, how to speak, and how to read what was heard: text, key, state."""

    refuses_for_now = 503
    refuses_for_good = 404

    def listening(self):
        return http_receiver()

    def speaking(self, address):
        raise NotImplementedError

    def heard(self, taken):
        """Text, key and state, or None where the channel does not carry it."""
        raise NotImplementedError

    @pytest.fixture
    def at(self):
        with self.listening() as received:
            yield received, self.speaking(received.address)

    def at_place(self, place):
        return self.speaking(f"http://{place}")

    @pytest.mark.parametrize("state", ["triggered", "acknowledged", "resolved"])
    def test_a_message_is_taken_with_its_key_state_and_text(self, at, state):
        received, channel = at
        channel.send(replace(MESSAGE, state=state))
        (taken,) = received.taken
        text, key, said = self.heard(taken)
        assert "Level 3 has drifted" in text
        assert "Action: retrain" in text
        assert key == "drift-v4"
        assert said in {None, state}
        assert ("critical" in text.lower()) or state != "triggered"

    def test_what_people_wrote_stays_text(self, at):
        received, channel = at
        channel.send(replace(MESSAGE, text=HOSTILE, summary=" ".join(HOSTILE.split())[:400]))
        (taken,) = received.taken
        assert self.heard(taken)[1] == "drift-v4"

    def test_the_same_trouble_has_the_same_key_and_says_it_is_over_with_it(self, at):
        received, channel = at
        for state in ("triggered", "triggered", "resolved"):
            channel.send(replace(MESSAGE, state=state))
        assert {self.heard(taken)[1] for taken in received.taken} == {"drift-v4"}
        assert len(received.taken) == 3

    def test_a_refusal_for_now_is_tried_again_until_it_is_taken(self, at):
        received, channel = at
        received.refusals = [self.refuses_for_now] * 2
        (outcome,) = send_to_all([channel], MESSAGE, sleep=lambda _: None)
        assert (outcome.channel, outcome.problem) == (channel.name, None)
        assert (received.tries, len(received.taken)) == (3, 1)

    def test_a_channel_that_goes_on_refusing_is_named_and_stops_no_other(self, at):
        received, channel = at
        received.refusals = [self.refuses_for_now] * TRIES
        with http_receiver() as other:
            broken, whole = send_to_all([channel, Webhook(other.address)], MESSAGE, sleep=lambda _: None)
        assert f"{channel.name} at " in broken.problem
        assert str(self.refuses_for_now) in broken.problem
        assert whole.problem is None
        assert len(other.taken) == 1
        assert received.taken == []

    def test_a_refusal_for_good_is_not_tried_again(self, at):
        received, channel = at
        received.refusals = [self.refuses_for_good] * TRIES
        (outcome,) = send_to_all([channel], MESSAGE, sleep=lambda _: None)
        assert str(self.refuses_for_good) in outcome.problem
        assert received.tries == 1

    @pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"\x00" * 4096, None])
    def test_what_is_no_receiver_is_one_line_without_a_secret(self, answer, monkeypatch):
        monkeypatch.setattr(http_post, "_PATIENCE", 0.3)
        monkeypatch.setattr(mail, "_PATIENCE", 0.3)
        with raw_receiver(answer) as place, pytest.raises(ChannelError) as refused:
            self.at_place(place).send(MESSAGE)
        assert self.one_line_without_secret(refused.value)

    def test_where_nobody_listens_is_one_line_without_a_secret(self):
        # Nobody listens at port 9, "discard".
        with pytest.raises(ChannelError) as refused:
            self.at_place("127.0.0.1:9").send(MESSAGE)
        assert self.one_line_without_secret(refused.value)
        assert "127.0.0.1:9" in str(refused.value)
        assert not refused.value.lasting

    def one_line_without_secret(self, error):
        # What led to it is not shown below it either.
        alone = error.__context__ is None or error.__suppress_context__
        return alone and "\n" not in str(error) and SECRET not in str(error)

    def test_its_secret_is_not_in_its_own_text(self, at):
        assert SECRET not in repr(at[1])


class TestWebhook(ChannelContract):
    def speaking(self, address):
        return Webhook(f"{address}/hooks/{SECRET}?key={SECRET}", SECRET)

    def heard(self, taken):
        assert taken.headers["Authorization"] == f"Bearer {SECRET}"
        assert (taken.body["rule"], taken.body["action"], taken.body["severity"]) == ("drift", "retrain", "critical")
        return taken.body["text"], taken.body["dedup_key"], taken.body["state"]

    def test_a_redirection_which_may_lose_the_message_is_no_success(self, at):
        received, channel = at
        received.refusals = [302]
        with pytest.raises(ChannelError, match="it answered 302"):
            channel.send(MESSAGE)


class TestSlack(ChannelContract):
    def listening(self):
        return http_receiver(taken=200)

    def speaking(self, address):
        return Slack(f"{address}/services/T00/B00/{SECRET}")

    def heard(self, taken):
        text = taken.body["text"]
        assert list(taken.body) == ["text"]
        assert "<" not in text
        assert len(text) < 3300
        return text, text.rsplit("`", 2)[1], None


class TestPagerDuty(ChannelContract):
    def listening(self):
        return http_receiver(taken=202)

    def speaking(self, address):
        return PagerDuty(SECRET, f"{address}/v2/enqueue")

    def heard(self, taken):
        body, payload = taken.body, taken.body["payload"]
        assert taken.path == "/v2/enqueue"
        assert body["routing_key"] == SECRET
        assert (payload["source"], payload["severity"]) == ("shop-1", "critical")
        assert datetime.fromisoformat(payload["timestamp"]) == AT
        assert payload["custom_details"]["rule"] == "drift"
        assert body["links"] == [{"href": MESSAGE.link, "text": "Read on"}]
        assert len(payload["summary"]) <= 1024
        states = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}
        text = f"{payload['severity']} {payload['summary']} {payload['custom_details']['text']}"
        return text, body["dedup_key"], states[body["event_action"]]


class TestMail(ChannelContract):
    refuses_for_now = 451
    refuses_for_good = 554
    receivers = ("ada@example.org", "bob@example.org")

    @pytest.fixture(autouse=True)
    def _encrypted(self, tmp_path, monkeypatch):
        self.certificate = self_signed(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(self.certificate[0]))

    def listening(self):
        return mail_receiver(self.certificate, {"shop": SECRET})

    def speaking(self, address):
        return Mail(address.replace("http://", "smtp://"), "onward@example.org", self.receivers, "shop", SECRET)

    def heard(self, letter):
        assert (letter.user, letter.encrypted, letter.receivers) == ("shop", True, list(self.receivers))
        message = letter.message
        assert message["Bcc"] is None
        assert message["References"] == "<drift-v4@onward.invalid>"
        text = f"{message['Subject']}\n{message.get_content()}"
        return text, message["X-Onward-Dedup-Key"], message.get_content().rsplit("\n", 2)[1].split(",")[0]

    def test_no_password_goes_over_a_connection_that_is_not_encrypted(self):
        with mail_receiver(None, {"shop": SECRET}) as received:
            with pytest.raises(ChannelError, match="offers no encryption, so no password is sent") as refused:
                self.speaking(received.address).send(MESSAGE)
            assert refused.value.lasting
            assert received.taken == []

    def test_a_certificate_that_nobody_vouches_for_is_refused(self, monkeypatch):
        monkeypatch.delenv("SSL_CERT_FILE")
        with self.listening() as received, pytest.raises(ChannelError, match="SSLCertVerificationError"):
            self.speaking(received.address).send(MESSAGE)

    def test_without_a_user_a_relay_of_the_house_takes_it(self):
        with mail_receiver() as received:
            Mail(received.address, "onward@example.org", self.receivers).send(MESSAGE)
        assert (received.taken[0].user, received.taken[0].encrypted) == (None, False)

    def test_a_wrong_password_is_named_without_it_though_the_server_quotes_it(self):
        with mail_receiver(self.certificate, {"shop": "another"}) as received:
            with pytest.raises(ChannelError, match="it answered 535") as refused:
                self.speaking(received.address).send(MESSAGE)
            assert self.one_line_without_secret(refused.value)

    def test_a_receiver_that_the_server_refuses_is_named(self):
        with mail_receiver() as received:
            channel = Mail(received.address, "onward@example.org", ("ada@example.org", "nobody@example.org"))
            with pytest.raises(ChannelError, match=r"it refuses nobody@example\.org"):
                channel.send(MESSAGE)


def test_whatever_breaks_inside_a_channel_is_named_and_the_others_are_told():
    class Broken:
        name = "broken"

        def send(self, message):
            raise RuntimeError(f"https://hooks.example/{SECRET}")

    with http_receiver() as received:
        broken, whole = send_to_all([Broken(), Webhook(received.address)], MESSAGE, sleep=lambda _: None)
    assert broken.problem == "broken did not take the message: RuntimeError"
    assert whole.problem is None
    assert len(received.taken) == 1


# The environment.


@contextmanager
def environment(monkeypatch, **variables):
    with monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(f"ONWARD_{name}", value)
        yield


def test_the_environment_names_each_channel(monkeypatch):
    nothing, wrong = read_channel_settings()
    assert (nothing.channels(), wrong) == ([], [])
    mail_of = {"SMTP": "smtps://mail.example", "MAIL_FROM": "a@example.org", "MAIL_TO": "b@example.org, c@example.org"}
    with environment(
        monkeypatch, WEBHOOK="https://hooks.example/1", SLACK="https://hooks.slack.com/services/T/B/x",
        PAGERDUTY="0" * 32, PAGES_URL="https://shop.example/pages", SITE=" ", **mail_of,
    ):  # fmt: skip
        settings, wrong = read_channel_settings()
    assert wrong == []
    assert [channel.name for channel in settings.channels()] == ["webhook", "slack", "pagerduty", "e-mail"]
    assert settings.channels()[3].receivers == ("b@example.org", "c@example.org")
    assert settings.runbook("drift") == "https://shop.example/pages/oncall.html#runbook-drift"
    assert settings.site.strip()


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("WEBHOOK", f"https://somebody:{SECRET}@hooks.example/1", "holds a user or a password"),
        ("SLACK", f"https://{SECRET}@hooks.slack.com/services", "holds a user or a password"),
        ("SMTP", f"smtp://shop:{SECRET}@mail.example", "holds a user or a password"),
        ("WEBHOOK", f"ftp://hooks.example/{SECRET}", "must be a whole address, http://"),
        ("WEBHOOK", f"http://[{SECRET}", "must be a whole address"),
        ("WEBHOOK", f"http://hooks.example:{SECRET}", "must be a whole address"),
        ("SLACK", f"https://hooks.slack.com/{SECRET}\nx", "must be a whole address"),
        ("PAGERDUTY_ADDRESS", f"https://{SECRET}@events.example", "holds a user or a password"),
        ("PAGERDUTY", f"{SECRET}\nX: y", "must be one line"),
        ("WEBHOOK_TOKEN", f"{SECRET}\r\nX: y", "must be one line"),
        ("SMTP", "mail.example", "must be a whole address, smtp://"),
        ("SMTP", "smtp://mail.example", "e-mail needs ONWARD_MAIL_FROM and ONWARD_MAIL_TO too"),
        ("MAIL_TO", f"ada, {SECRET}", "must be addresses such as"),
    ],
)
def test_what_a_variable_cannot_be_is_one_line_that_does_not_show_it_and_the_others_are_told(
    monkeypatch, name, value, match
):
    other = {} if name == "SLACK" else {"SLACK": "https://hooks.slack.com/services/T/B/x"}
    needs = {"WEBHOOK_TOKEN": {"WEBHOOK": "https://hooks.example/1"}, "PAGERDUTY_ADDRESS": {"PAGERDUTY": "0" * 32}}
    with environment(monkeypatch, **{**other, **needs.get(name, {}), name: value}):
        settings, (line,) = read_channel_settings()
    assert re.search(match, line)
    assert SECRET not in line
    assert "\n" not in line
    assert f"ONWARD_{name}" in line or "ONWARD_MAIL" in line
    # A webhook without its token, or a routing key at another place, is not told either.
    assert [channel.name for channel in settings.channels()] == ["slack"] * len(other)
