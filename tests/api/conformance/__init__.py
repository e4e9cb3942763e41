"""The dialect's conformance, as data: ``table.tsv``.

Each row is one parameter at one bound, one code, one order of checks or one spelling: what is sent,
what must be answered, and which section of the reference says so.  Columns:

======  ==========================================================================================
ref     section of the reference
call    acquire, start, update, updateLayout, query, stop, ncs
mode    in the path
given   what the farm or the caller is like, from ``situations.py``; several joined by " + "
field   what is set in the body; a path inside ``clientRequest``, or cname, uid, clientRequest
value   JSON, "absent", or JSON*n: a string or list of n times that ("#" is the number), maybe
        behind the beginning of a string: "a"+"b"*2 is "abb"
status  of HTTP
code    of the recording service; "" for 200 and for the gateway
says    what the reason (or the gateway's message) must hold
then    of a start that is taken: what of the RecordingSpec must be what, as path=JSON
======  ==========================================================================================

``python -m tests.api.conformance.propose`` walks the models' constraints and prints rows that the
table lacks, with a guess.  They are checked by hand against the reference before they go in.
"""
