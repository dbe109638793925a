//! What travels from collector to server: columnar batches and their codec; pure.
