"""Event records of one layout decoded straight into rows: binary XML whose templates were understood once.

A record of an event log is an instance of a template (the `System` part) that holds an instance of another (its data).
Nearly all records of a log share few pairs of them. A template is read once, as names and places of values; after
that a record costs a look at its value descriptors and one lookup for each value: texts of values are kept, already
written as JSON and masked, by the bytes they were made from.

Nothing is guessed. What is not understood (another token, an odd size or type, text that is no UTF-16) raises `Strange`
inside and is left to the general reader, the Rust crate `evtx`; and a layout is used only after one record of it came
out equal to what that reader says of it.

Formats: [MS-EVEN6] 2.2.12 (BinXml) and 2.2.17; libyal "Windows XML Event Log (EVTX) format".
"""
