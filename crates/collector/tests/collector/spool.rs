//! The spool under `kill -9`, torn and garbled files, and no room.
