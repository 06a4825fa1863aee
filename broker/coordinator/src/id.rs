//! Names of groups and their members.

use std::fmt;

use kafka_protocol::protocol::StrBytes;

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub String);

        impl $name {
            /// A copy that does not keep a request's frame alive.
            #[must_use]
            pub fn of(text: &StrBytes) -> Self {
                Self(text.as_str().to_owned())
            }

            /// The name for a response.
            #[must_use]
            pub fn wire(&self) -> StrBytes {
                StrBytes::from_string(self.0.clone())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        })*
    };
}

text_id! {
    /// A group's name (`group.id`).
    GroupId;
    /// The id that the coordinator gave a member.
    MemberId;
    /// The name that a static member has given itself (`group.instance.id`, KIP-345).
    InstanceId;
}
