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
claims                    hash    {app}:{cname}:{uid} -> sid that this recorder UID is busy with;
                                  until its tape is closed
app:{app}                 hash    sid -> streams it counts for, of an app's recordings that hold a
                                  slot; until the tape is closed
resource:{nonce}          string  sid that a resource ID was spent on; an hour, which is longer
                                  than any can be used to start
recorders                 hash    name -> "<slots> <ms>" of a recorder process, which lives until
                                  then by Redis's clock
orders:{sid}:{kind}       list    changes asked for while it runs (job/order.py), the newest at the
                                  end, the oldest dropped; until its tape is closed
finished:{sid}            list    one token once delivered, for a waiting stop call; a minute
files:{sid}               hash    playlists and MP4 files in the bucket: object key -> FileEntry as
                                  JSON; as long as the recording is remembered
recuts:{sid}              set     sids of recuts that were made from this recording's tape; as long
                                  as the recording is remembered
report:{sid}              string  quality report of an ended recording, JSON; 3 days
asked:{sid}:{work}        string  a cut or upload was asked for lately; seconds.  A screenshot was
                                  told of; two hours after that was last asked for
tried:{sid}:{work}        string  how often work was tried that goes on failing; a day
lock:{name}               string  locks of cutters and uploaders; seconds, renewed while held
sequence:{sid}            string  number of the next notice of a recording; 31 days after the last
                                  one, and after its end as long as it is remembered; so are:
notices:{sid}             hash    notices by number, the oldest dropped: what a replay sends
said:{sid}                set     names of what a recording tells once
unsent:{sid}              list    numbers of those to be sent, in order
attempts:{sid}            string  how often the first of those was tried in vain
receivers                 set     apps for whom notices wait
due:{app}                 zset    their recordings, by when the next notice is due
backlog:{app}             zset    the notices themselves, by when they were put in; the oldest are
                                  dropped
dropped                   string  how many were dropped and are not counted yet
========================  ======  =========================================================

Channel ``stops`` carries the sid of each recording that was asked to stop or to change.
"""

PREFIX = "tapefarm:"
ACTIVE = PREFIX + "active"
ON_AIR = PREFIX + "on_air"
RECEIVERS = PREFIX + "receivers"
STOPS = PREFIX + "stops"
RECORDERS = PREFIX + "recorders"
CLAIMS = PREFIX + "claims"
RECORD = "record"  # the queue of recorders, which a recording goes into as it is taken in

KEPT_S = 3 * 86400
TRIED_KEPT_S = 86400
RESOURCE_KEPT_S = 31 * 86400
SPENT_KEPT_S = 3600
FINISHED_KEPT_S = 60
NOTICES_KEPT = 20_000  # of one recording, about 10 MB
BACKLOG_MOST = 20_000  # for one receiver
ORDERS_KEPT = 20  # of each kind: an order replaces those before, so the oldest may go


def recording(sid: str) -> str:
    """The hash of one recording."""
    return f"{PREFIX}rec:{sid}"


def lease(sid: str) -> str:
    """Who tapes it now."""
    return f"{PREFIX}lease:{sid}"


def claim(app_id: str, cname: str, uid: str) -> str:
    """The field of ``CLAIMS`` for a recorder UID in a channel."""
    return f"{app_id}:{cname}:{uid}"


def app(app_id: str) -> str:
    """What an app has on the air."""
    return f"{PREFIX}app:{app_id}"


def resource(nonce: str) -> str:
    """The recording that a resource ID was spent on."""
    return f"{PREFIX}resource:{nonce}"


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


def sequence(sid: str) -> str:
    """The number of a recording's next notice."""
    return f"{PREFIX}sequence:{sid}"


def notices(sid: str) -> str:
    """What a recording told."""
    return f"{PREFIX}notices:{sid}"


def said(sid: str) -> str:
    """What of it is said once."""
    return f"{PREFIX}said:{sid}"


def unsent(sid: str) -> str:
    """What of it is to be sent."""
    return f"{PREFIX}unsent:{sid}"


def attempts(sid: str) -> str:
    """Attempts at the first of those."""
    return f"{PREFIX}attempts:{sid}"


def due(app_id: str) -> str:
    """The recordings that have something to tell to an app."""
    return f"{PREFIX}due:{app_id}"


def backlog(app_id: str) -> str:
    """All notices that wait for an app."""
    return f"{PREFIX}backlog:{app_id}"


CELERY_PREFIX = PREFIX + "celery:"


def celery_queue(queue: str) -> str:
    """The list in which Celery keeps the messages of a queue."""
    return f"{CELERY_PREFIX}{queue}"
