/// When freed memory can be used again. `warm` unless `Bootstrap.start` is told otherwise: a touch after a
/// free may go unnoticed then, while a second free is refused in every mode.
@frozen
public enum FreeMode: UInt8, Sendable {
  /// Each free requests its flush, and waits for it where waiting is legal: a touch after the free faults.
  /// For finding bugs, and for hardened kernels.
  case strict
  /// Frees gather in batches; one flush serves many.
  case lazy
  /// Lazy, and small freed areas stay mapped for a while, to be handed out again as they are.
  case warm
}
