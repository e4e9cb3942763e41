"""The quality report as it stands beside a recording's files."""

import json
from collections.abc import Mapping, Sequence

from media.quality.model import SliceQuality
from media.quality.report import report
from workers.job import naming
from workers.job.spec import RecordingSpec
from workers.spool.spool import Closed, Delivery


def document(
    spec: RecordingSpec,
    closed: Closed,
    slices: Sequence[SliceQuality],
    receipts: Mapping[str, Delivery],
) -> str:
    """The report's JSON text.  The same recording always gives the same."""
    own = naming.report(spec)
    return json.dumps(
        {
            "sid": spec.sid,
            "cname": spec.cname,
            "mode": spec.mode.value,
            "recorder_uid": spec.recorder_uid,
            "end_reason": closed.reason,
            "slices_not_measured": closed.units - len(slices),
            **report(slices),
            "files": [
                {"name": spec.storage.prefix + name, "size": one.size, "sha256": one.sha256}
                for name, one in sorted(receipts.items())
                if name != own
            ],
        },
        ensure_ascii=False,
    )
