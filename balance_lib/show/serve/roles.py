"""Tell who may change what is saved: planners by one token, viewers by another; nobody is asked where there is none."""

from __future__ import annotations

import hmac
from typing import Any

from jupyter_server.auth.identity import PasswordIdentityProvider, User
from traitlets import Unicode

PLANNER, VIEWER = "planner", "viewer"
# Voila hands this header to the kernel as HTTP_BALANCE_ROLE; whatever a visitor sends under its name is overwritten.
HEADER = "Balance-Role"
VARIABLE = "HTTP_BALANCE_ROLE"


class Roles(PasswordIdentityProvider):
    """Know a visitor by the token typed in, in the address, or in an ``Authorization: token …`` header of a proxy."""

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
        found = self.role_of_token(self.get_token(handler) or "")
        return User(found) if found else None

    def process_login_form(self, handler: Any) -> User | None:
        """Return the visitor whose password was typed in."""
        found = self.role_of_token(handler.get_argument("password", default=""))
        return User(found) if found and self.auth_enabled else None

    def is_token_authenticated(self, handler: Any) -> bool:
        """Say no: a proxy adds the token to every request, so a token is no proof that our own page asks."""
        return False

    @property
    def auth_enabled(self) -> bool:
        """Tell whether anybody is asked."""
        return bool(self.token)
