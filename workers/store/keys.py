"""Every Redis key of the farm: its name, type and life.

========================  ======  =========================================================
key                       type    what it holds, and until when
========================  ======  =========================================================
rec:{sid}                 hash    one recording: spec (sealed), state, fence, origin_ns …
                                  (fields in store.py); 3 days after its end, and as long as
                                  its tape is kept
lease:{sid}               string  "<fence>:<owner>": who tapes it now; seconds
active                    set     sids that are not in a terminal state
on_air                    set     sids that hold a recorder slot
claim:{app}:{cname}:{uid} string  sid that this recorder UID is busy with; until its tape is closed
resource:{nonce}          string  sid that a resource ID was spent on; 31 days
recorder:{name}           string  slots of a living recorder process; seconds
orders:{sid}:{kind}       list    changes asked for while it runs (job/order.py), the newest at the
                                  end, the oldest dropped; until its tape is closed
finished:{sid}            list    one token once delivered, for a waiting stop call; a minute
files:{sid}               hash    playlists and MP4 files in the bucket: object key -> FileEntry as
                                  JSON; as long as the recording is remembered
recuts:{sid}              set     sids of recuts that were made from this recording's tape; as long
                                  as the recording is remembered
report:{sid}              string  quality report of an ended recording, JSON; 3 days
asked:{sid}:{work}        string  a cut or upload was asked for lately; seconds.  A notice that is
                                  sent once was; 31 days after it was last asked for, of a
                                  screenshot one day
tried:{sid}:{work}        string  how often work was tried that goes on failing; a day
lock:{name}               string  locks of cutters and uploaders; seconds, renewed while held
outbox                    zset    callback ids by the time they are due
callback:{id}             hash    one callback: app, url, body, attempts; until delivered
                                  or given up
sequence:{sid}            string  number of the next callback of a recording; 31 days after the
                                  last one
========================  ======  =========================================================

Channel ``stops`` carries the sid of each recording that was asked to stop or to change.
"""

PREFIX = "tapefarm:"
ACTIVE = PREFIX + "active"
ON_AIR = PREFIX + "on_air"
OUTBOX = PREFIX + "outbox"
STOPS = PREFIX + "stops"
RECORDERS = PREFIX + "recorder:"

KEPT_S = 3 * 86400
TRIED_KEPT_S = 86400
RESOURCE_KEPT_S = 31 * 86400
FINISHED_KEPT_S = 60
ORDERS_KEPT = 20  # of each kind: an order replaces those before, so the oldest may go


def recording(sid: str) -> str:
    """The hash of one recording."""
    return f"{PREFIX}rec:{sid}"


def lease(sid: str) -> str:
    """Who tapes it now."""
    return f"{PREFIX}lease:{sid}"


def claim(app_id: str, cname: str, uid: str) -> str:
    """The recording that a recorder UID is busy with in a channel."""
    return f"{PREFIX}claim:{app_id}:{cname}:{uid}"


def resource(nonce: str) -> str:
    """The recording that a resource ID was spent on."""
    return f"{PREFIX}resource:{nonce}"


def recorder(name: str) -> str:
    """The heartbeat of a recorder process."""
    return f"{RECORDERS}{name}"


def orders(sid: str, kind: str) -> str:
    """What was asked of a recording while it runs."""
    return f"{PREFIX}orders:{sid}:{kind}"


def finished(sid: str) -> str:
    """Where a stop call waits for the end."""
    return f"{PREFIX}finished:{sid}"


def files(sid: str) -> str:
    """The playlists that stand in the bucket."""
    return f"{PREFIX}files:{sid}"


def recuts(sid: str) -> str:
    """What was made from a recording's tape."""
    return f"{PREFIX}recuts:{sid}"


def report(sid: str) -> str:
    """The quality report."""
    return f"{PREFIX}report:{sid}"


def asked(sid: str, work: str) -> str:
    """Marks work that was enqueued a moment ago."""
    return f"{PREFIX}asked:{sid}:{work}"


def tried(sid: str, work: str) -> str:
    """Counts work that fails."""
    return f"{PREFIX}tried:{sid}:{work}"


def lock(name: str) -> str:
    """A short lock."""
    return f"{PREFIX}lock:{name}"


def callback(notice: str) -> str:
    """One callback that waits."""
    return f"{PREFIX}callback:{notice}"


def sequence(sid: str) -> str:
    """The callback counter of a recording."""
    return f"{PREFIX}sequence:{sid}"


CELERY_PREFIX = PREFIX + "celery:"


def celery_queue(queue: str) -> str:
    """The list in which Celery keeps the messages of a queue."""
    return f"{CELERY_PREFIX}{queue}"
