//! The cloud half: observe what exists by tag, compare, apply in dependency order.
