/// When freed memory can be used again.
@frozen
public enum FreeMode: UInt8, Sendable {
  /// Each free asks for its flush at once, and waits for it where waiting is legal: a touch after the free
  /// faults. For finding mistakes, and hardened kernels.
  case strict
  /// Frees gather in batches; one flush serves many.
  case lazy
  /// As lazy, and small freed areas stay mapped for a while, to be handed out again as they are.
  case warm
}
