//! Names, includes and the standard profiles
