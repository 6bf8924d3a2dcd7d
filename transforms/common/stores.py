"""Clients of object stores: one a process, that know when to give up.

Beam makes a client for every operation on a store: looks up credentials, and opens a connection. And it waits: for a host
that does not answer, libraries try for minutes, Beam's own retries around them for minutes more, and ours around those.
Here a process has one client for each store, a connection that is not made in 5 seconds has failed, an answer that does
not come in 30 has failed, libraries try for 15 seconds or twice, Beam not at all. `files.with_retries` tries again.

Google's credentials that are not there are looked for once. In a container of Beam's, such as Dataflow's, which has
them, Beam goes on trying.
"""

import inspect
import os
from collections.abc import Callable, Mapping
from functools import wraps
from threading import RLock
from typing import Any

CONNECT_S = 5.0
ANSWER_S = 30.0
_GOOGLE_TRIES_S = 15.0
_AMAZON_TRIES = 2
_NOT_SIGNED_IN = 401
_SERVER_ERRORS = 500
_OPTIONS_KEPT = 8
_CONTAINER_OF_A_WORKER = "SEMI_PERSISTENT_DIRECTORY"
"""The variable that Beam's boot program sets for the worker which it starts."""

_prepared: set[str] = set()
_lock = RLock()
_clients: dict[str, list[tuple[Any, Mapping[str, str], Any]]] = {}


def prepare(path: str) -> None:
    """Make the clients of a path's store such as described above, from now on, in this process."""
    scheme = path.partition("://")[0]
    if scheme in _prepared or scheme not in _PREPARATIONS:
        return
    with _lock:
        if scheme not in _prepared:
            _PREPARATIONS[scheme]()
            _prepared.add(scheme)


def _shared(kind: str, options: Any, make: Callable[[], Any], *variables: str) -> Any:
    """Give the client for these options and the environment's variables that begin so."""
    environment = {name: value for name, value in os.environ.items() if name.upper().startswith(variables)}
    with _lock:
        kept = _clients.setdefault(kind, [])
        for its_options, its_environment, client in kept:
            if its_options is options and its_environment == environment:
                return client
        client = make()
        kept.append((options, environment, client))
        del kept[:-_OPTIONS_KEPT]
        return client


# Amazon's ----------------------------------------------------------------------------------------------

_S3_OPTIONS = {
    "region_name": "s3_region_name",
    "api_version": "s3_api_version",
    "verify": "s3_verify",
    "endpoint_url": "s3_endpoint_url",
    "aws_access_key_id": "s3_access_key_id",
    "aws_secret_access_key": "s3_secret_access_key",
    "aws_session_token": "s3_session_token",
}
"""What a client is given -> the Beam flag that says so."""


def _prepare_amazon() -> None:
    try:
        import boto3
        from apache_beam.io.aws.clients.s3 import boto3_client
        from apache_beam.io.aws.clients.s3.messages import S3ClientError
        from apache_beam.options.pipeline_options import PipelineOptions, S3Options
        from apache_beam.utils.retry import PermanentException
        from botocore.config import Config
    except ImportError:  # Beam says so when it is asked for a file
        return

    class FailedForNowError(PermanentException, ConnectionError):  # type: ignore[misc]
        """A store that gave no answer or could not serve: Beam does not try again, `files.with_retries` does."""

        def __init__(self, error: S3ClientError) -> None:
            super().__init__(str(error.message))
            self.code = error.code

    def make(options: Any) -> Any:
        flags = options.view_as(S3Options) if isinstance(options, PipelineOptions) else None
        given = {
            name: getattr(flags, flag, None) if flags is not None else (options or {}).get(flag)
            for name, flag in (_S3_OPTIONS | {"is_plain": "s3_disable_ssl"}).items()
        }
        session = boto3.session.Session()
        limits: dict[str, Any] = {"connect_timeout": CONNECT_S, "read_timeout": ANSWER_S}
        if session._session.get_config_variable("max_attempts") is None:  # noqa: SLF001  the user has not said how often
            limits["retries"] = {"total_max_attempts": _AMAZON_TRIES, "mode": "standard"}
        is_plain = given.pop("is_plain")
        return session.client("s3", use_ssl=not is_plain, config=Config(**limits), **given)

    class Client(boto3_client.Client):  # type: ignore[misc]
        """Beam's client around the one that the process shares."""

        def __init__(self, options: Any) -> None:
            self.client = _shared("s3", options, lambda: make(options), "AWS_", *_PROXIES)
            self._download_request = None
            self._download_stream = None
            self._download_pos = 0

    def without_beams_patience(method: Callable[..., Any]) -> Callable[..., Any]:
        once = inspect.unwrap(method)

        @wraps(once)
        def ask(*arguments: Any, **named: Any) -> Any:
            try:
                return once(*arguments, **named)
            except S3ClientError as error:
                if error.code is None and "credentials" in str(error.message).lower():
                    raise S3ClientError(error.message, _NOT_SIGNED_IN) from None
                if error.code is None or (isinstance(error.code, int) and error.code >= _SERVER_ERRORS):
                    raise FailedForNowError(error) from error
                raise

        return ask

    def status_of(error: Any) -> int | None:
        # Beam's own stumbles over a connection that timed out while it was read: its `response` is None
        response = getattr(error, "response", None)
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None

    for name, method in vars(boto3_client.Client).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            setattr(Client, name, without_beams_patience(method))
    boto3_client.Client, boto3_client.get_http_error_code = Client, status_of


# Google's ----------------------------------------------------------------------------------------------


def _prepare_google() -> None:
    try:
        import google.auth
        from apache_beam.internal.gcp import auth
        from apache_beam.io.gcp import gcsio, gcsio_retry
        from apache_beam.options.pipeline_options import GoogleCloudOptions
    except ImportError:
        return
    make, look_up = gcsio.create_storage_client, auth._Credentials._get_credentials_with_retrys  # noqa: SLF001
    retry_of = gcsio_retry.get_retry

    def make_bounded(options: Any, **named: Any) -> Any:
        client = make(options, **named)
        session = client._http  # noqa: SLF001
        asks_for_tokens = getattr(getattr(session, "_auth_request", None), "session", None)
        for each in filter(None, (session, asks_for_tokens)):
            for adapter in each.adapters.values():
                adapter.send = _bounded(adapter.send)
        ask = client._connection.api_request  # noqa: SLF001

        def ask_bounded(*arguments: Any, retry: Any = None, **named: Any) -> Any:
            if hasattr(retry, "get_retry_policy_if_conditions_met"):
                retry = retry.get_retry_policy_if_conditions_met(**named)
            return ask(*arguments, retry=retry and retry.with_timeout(_GOOGLE_TRIES_S), **named)

        client._connection.api_request = ask_bounded  # noqa: SLF001
        return client

    def make_shared(options: Any, use_credentials: bool = True) -> Any:
        kind = "gs" if use_credentials else "gs, anonymous"
        return _shared(
            kind,
            options,
            lambda: make_bounded(options, use_credentials=use_credentials),
            *("GOOGLE_", "CLOUDSDK_", "STORAGE_EMULATOR", *_PROXIES),
        )

    def look_up_once(options: Any) -> Any:
        if _CONTAINER_OF_A_WORKER in os.environ:
            return look_up(options)
        return google.auth.default(scopes=options.view_as(GoogleCloudOptions).gcp_oauth_scopes)[0]

    gcsio.create_storage_client = make_shared
    gcsio_retry.get_retry = lambda options: retry_of(options).with_timeout(_GOOGLE_TRIES_S)
    auth._Credentials._get_credentials_with_retrys = staticmethod(look_up_once)  # noqa: SLF001


def _bounded(send: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function that sends a request, and waits no longer than `CONNECT_S` and `ANSWER_S`."""

    @wraps(send)
    def send_bounded(*arguments: Any, timeout: Any = None, **named: Any) -> Any:
        given = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        connect_s, answer_s = (
            limit if wanted is None else min(wanted, limit)
            for wanted, limit in zip(given, (CONNECT_S, ANSWER_S), strict=True)
        )
        return send(*arguments, timeout=(connect_s, answer_s), **named)

    return send_bounded


_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_PREPARATIONS = {"s3": _prepare_amazon, "gs": _prepare_google}
