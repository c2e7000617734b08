//! Probes and fixtures for the tests
