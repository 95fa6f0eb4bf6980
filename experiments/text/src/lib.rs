//! experiments-text
