//! Nothing here: the tests are what counts.
