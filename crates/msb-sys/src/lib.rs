//! Safe wrappers of the Linux calls that a launcher needs
