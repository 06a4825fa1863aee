//! One broker and one controller as state machines: events in, commands out.
