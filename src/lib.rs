//! Toolgate filter.
