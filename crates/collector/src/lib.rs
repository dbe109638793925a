//! Reads PostgreSQL, forms increments, spools and pushes them.
