//! What a confined program was refused, as it happens
