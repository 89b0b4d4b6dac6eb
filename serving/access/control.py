"""Control calls: off without a token, and then only for who has it; of HTTP and gRPC."""

import hmac

from models.errors import ForbiddenError, UnauthorizedError
from serving.settings import PREFIX, Settings


def check_token(settings: Settings, authorization: str) -> None:
    """Looks for the token in the value of an ``Authorization`` header.

    Raises:
        ForbiddenError: control calls are off.
        UnauthorizedError: the token is missing or wrong.
    """
    if settings.admin_token is None:
        raise ForbiddenError(f"control calls are off; setting {PREFIX}ADMIN_TOKEN turns them on")
    token = settings.admin_token.get_secret_value().encode()
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token):
        raise UnauthorizedError("the admin token is missing or wrong; it belongs into `Authorization: Bearer …`")
