"""Celery messages as text, for who puts them into a queue by a script of Redis.

They are what Celery sends: one goes through its own code into a queue in memory, and all others are
that one with another argument and ids of their own.
"""

import base64
import json
from typing import Any
from uuid import uuid4

from celery import Celery


class Message:
    """Of a task with one argument.  Used by many threads at once."""

    def __init__(self, app: Celery, name: str) -> None:
        """``name`` of the task and of its queue."""
        with app.connection("memory://") as connection:
            app.send_task(name, args=("",), queue=name, connection=connection)
            sent = connection.default_channel.basic_get(name, no_ack=True).serializable()
        self._sent: dict[str, Any] = sent
        _, self._kwargs, self._embedded = json.loads(base64.b64decode(sent["body"]))

    def text(self, argument: str) -> str:
        """An element of the queue's list; see Celery's "Message Protocol", version 2."""
        task, sent = str(uuid4()), self._sent  # nobody has two deliveries of one task
        body = json.dumps(([argument], self._kwargs, self._embedded))
        ids = {"id": task, "root_id": task, "argsrepr": f"({argument!r},)"}
        tags = {"correlation_id": task, "delivery_tag": task}
        return json.dumps(
            {
                **sent,
                "body": base64.b64encode(body.encode()).decode(),
                "headers": sent["headers"] | ids,
                "properties": sent["properties"] | tags,
            }
        )
