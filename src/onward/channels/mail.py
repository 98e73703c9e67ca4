"""E-mail over SMTP: encrypted where the server offers it, and no password goes over a connection that is not."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from urllib.parse import urlsplit

from onward.channels.message import ChannelError, Message

_PATIENCE = 10.0
_PORTS = {"smtp": 587, "smtps": 465}
# A server refuses for now with 4xx and for good with 5xx.
_FOR_GOOD = 500


@dataclass(frozen=True)
class Mail:
    """A mail server, and from whom to whom.

    Attributes:
        server: `smtp://host:port` (STARTTLS where it is offered) or `smtps://host:port`.
        sender: address that it comes from.
        receivers: addresses that it goes to.
        user: to log in as, or None.
        password: of the user.
    """

    server: str
    sender: str
    receivers: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    name: str = "e-mail"

    def send(self, message: Message) -> None:
        """Send the message; those about one alert make one thread.

        Raises:
            ChannelError: the server did not take it, for one of its receivers at least.
        """
        parts = urlsplit(self.server)
        refused = f"{self.name} at {self.server} did not take the message"
        try:
            with self._connected(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]) as server:
                lost = server.send_message(self._letter(message))
        except smtplib.SMTPResponseException as error:
            raise ChannelError(
                f"{refused}: it answered {error.smtp_code}", lasting=error.smtp_code >= _FOR_GOOD
            ) from None
        except smtplib.SMTPRecipientsRefused as error:
            raise ChannelError(f"{refused}: it refuses {', '.join(error.recipients)}", lasting=True) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            # An error of SMTP may quote what was sent, a password for one.
            said = "" if isinstance(error, smtplib.SMTPException) else ": " + " ".join(str(error).split())[:200]
            raise ChannelError(f"{refused}: {type(error).__name__}{said}") from None
        if lost:
            raise ChannelError(f"{refused}: it refuses {', '.join(lost)}", lasting=True)

    def _connected(self, scheme: str, host: str, port: int) -> smtplib.SMTP:
        if scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=_PATIENCE, context=ssl.create_default_context())
        else:
            server = smtplib.SMTP(host, port, timeout=_PATIENCE)
        try:
            server.ehlo()
            if scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
            if self.user is not None:
                self._log_in(server, self.user)
        except BaseException:
            server.close()
            raise
        return server

    def _log_in(self, server: smtplib.SMTP, user: str) -> None:
        if not isinstance(server.sock, ssl.SSLSocket):
            raise ChannelError(
                f"{self.name} at {self.server}: it offers no encryption, so no password is sent; name its smtps:// "
                "port, or log in without one",
                lasting=True,
            )
        server.login(user, self.password or "")

    def _letter(self, message: Message) -> EmailMessage:
        letter = EmailMessage()
        letter["Subject"] = f"{message.title} ({message.source})"[:240]
        letter["From"] = self.sender
        letter["To"] = ", ".join(self.receivers)
        letter["Date"] = format_datetime(message.at)
        letter["Message-ID"] = make_msgid(domain="onward.invalid")
        # No such letter was ever sent: readers show together what refers to the same one.
        letter["References"] = f"<{message.key}@onward.invalid>"
        letter["X-Onward-Dedup-Key"] = message.key
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(f"{message.whole}\n\n{message.state}, {message.severity}, {message.key}\n")
        return letter
