//! The types of Kintsugi's custom resources.
