"""A key service for tests: the KMS of moto on a free port, in a thread of this process.

moto binds a data key to its context and lets its IAM decide, as AWS does, but opens with disabled keys and with ones that wait
to be deleted, and with keys that are for signing. Those rules (AWS KMS developer guide, "Key states of AWS KMS keys"; API reference,
GenerateDataKey) are added here.
"""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest

moto_server = pytest.importorskip("moto.server", reason="LOUD: moto is not installed, the key service is NOT tested")

from moto import settings  # noqa: E402
from moto.core.authorization import ActionAuthenticatorMixin  # noqa: E402
from moto.core.exceptions import JsonRESTError  # noqa: E402
from moto.kms.models import KmsBackend  # noqa: E402

REGION = "us-gov-west-1"
# moto gives a service's states to the account of the credentials; before IAM is asked any will do
ANYBODY = {"AWS_ACCESS_KEY_ID": "anybody", "AWS_SECRET_ACCESS_KEY": "anybody"}
_PLAIN = {"decrypt": KmsBackend.decrypt, "generate_data_key": KmsBackend.generate_data_key}


class KeyService:
    """The service, and what its owner does to it."""

    def __init__(self) -> None:
        self._server = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        for name in _PLAIN:
            setattr(KmsBackend, name, _minding_the_state(name))
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"

    def environment(self, **credentials: str) -> dict[str, str]:
        """What a machine has that may ask it: an endpoint, and somebody's credentials."""
        apart = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": REGION}
        return {"AWS_ENDPOINT_URL": self.endpoint} | apart | (credentials or ANYBODY)

    def client(self, service: str = "kms") -> Any:
        given = {"aws_access_key_id": "owner", "aws_secret_access_key": "owner", "region_name": REGION}
        return boto3.client(service, endpoint_url=self.endpoint, **given)

    def new_key(self, alias: str = "") -> str:
        """The ARN of a fresh symmetric key."""
        arn = str(self.client().create_key()["KeyMetadata"]["Arn"])
        if alias:
            self.client().create_alias(AliasName=alias, TargetKeyId=arn)
        return arn

    def disable(self, arn: str) -> None:
        self.client().disable_key(KeyId=_id_of(arn))

    def enable(self, arn: str) -> None:
        self.client().enable_key(KeyId=_id_of(arn))

    def plan_deletion(self, arn: str) -> None:
        self.client().schedule_key_deletion(KeyId=_id_of(arn))

    def new_person(self, name: str, *actions: str) -> dict[str, str]:
        """The credentials of a user whom IAM allows `actions`."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        self.allow(name, *actions)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}

    def allow(self, name: str, *actions: str) -> None:
        """From now on IAM allows the user these, and nothing else."""
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        with self.asking_iam(after=math.inf):  # the owner is not asked
            self.client("iam").put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)

    @contextmanager
    def asking_iam(self, after: float = 0) -> Iterator[None]:
        """Within, every request is judged by IAM (`after` so many that are not)."""
        before = settings.INITIAL_NO_AUTH_ACTION_COUNT
        settings.INITIAL_NO_AUTH_ACTION_COUNT, ActionAuthenticatorMixin.request_count = after, 0
        try:
            yield
        finally:
            settings.INITIAL_NO_AUTH_ACTION_COUNT = before

    def stop(self) -> None:
        self._server.stop()
        for name, plain in _PLAIN.items():
            setattr(KmsBackend, name, plain)


def _id_of(arn: str) -> str:
    return arn.rpartition("/")[2]  # these acts of moto know no ARNs


def _minding_the_state(name: str) -> Any:
    def act(backend: Any, *, key_id: str, **rest: Any) -> Any:
        key = backend.keys.get(backend.any_id_to_key_id(key_id))
        state = key.key_state if key else "Enabled"
        if key and key.key_usage not in (None, "ENCRYPT_DECRYPT"):
            raise JsonRESTError("InvalidKeyUsageException", f"{key_id} is for {key.key_usage}.")
        if state == "Disabled":
            raise JsonRESTError("DisabledException", f"{key_id} is disabled.")
        if state != "Enabled":
            raise JsonRESTError("KMSInvalidStateException", f"{key_id} is pending deletion.")
        return _PLAIN[name](backend, key_id=key_id, **rest)

    return act
