"""Tell who may change what is saved: planners by one token, viewers by another; nobody is asked where there is none."""

from __future__ import annotations

import hmac
from typing import Any

from jupyter_server.auth.identity import PasswordIdentityProvider, User
from tornado.web import HTTPError
from traitlets import Unicode

from balance_lib.show.serve.lockout import Lockout, source_of
from balance_lib.visitor import PLANNER, VIEWER


class Roles(PasswordIdentityProvider):
    """Know a visitor by the token typed in, in the address, or in an ``Authorization: token …`` header of a proxy."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._lockout = Lockout()
        # A link in a colleague's mail opens the page; a form of another site is sent without the cookie.
        self.cookie_options = {"samesite": "Lax", **self.cookie_options}

    viewer_token = Unicode("", help="Token that opens the pages for looking only.").tag(config=True)

    def role_of_token(self, given: str) -> str | None:
        """Return the role a token stands for."""
        for token, role in ((self.token, PLANNER), (self.viewer_token, VIEWER)):
            if token and hmac.compare_digest(given.encode(), token.encode()):
                return role
        return None

    def role(self, user: User | None) -> str:
        """Return what a visitor may do. Whoever is not known to plan looks on."""
        return PLANNER if not self.auth_enabled or (user is not None and user.username == PLANNER) else VIEWER

    async def get_user_token(self, handler: Any) -> User | None:
        """Return the visitor named by a token of this very request."""
        given = self.get_token(handler) or ""
        return self._let_in(handler, given) if given and self.auth_enabled else None

    def process_login_form(self, handler: Any) -> User | None:
        """Return the visitor whose password was typed in."""
        return self._let_in(handler, handler.get_argument("password", default="")) if self.auth_enabled else None

    def _let_in(self, handler: Any, given: str) -> User | None:
        """Return whom a password stands for; whoever guessed wrong too often is not even looked at for a while."""
        source = source_of(handler.request)
        if self._lockout.wait_s(source):
            raise HTTPError(429)
        found = self.role_of_token(given)
        if found is None:
            self._lockout.failed(source)
            return None
        self._lockout.passed(source)
        return User(found)

    def is_token_authenticated(self, handler: Any) -> bool:
        """Say no: a proxy adds the token to every request, so a token is no proof that our own page asks."""
        return False

    @property
    def auth_enabled(self) -> bool:
        """Tell whether anybody is asked."""
        return bool(self.token)
