import CKernel
import KernelMemory

// The image is mapped where it was loaded, at its physical address: low, with bit 63 clear, which Swift's
// own data needs in Embedded mode. Each part gets what it must have and no more: code is not writable,
// data is not executable, and what lies below each stack is left out.

/// The kernel's own code and data.
enum Image {
  /// A part with one protection.
  struct Part {
    let pages: PageRange
    let protection: Protection
  }

  static var partCount: Int { Int(KERNEL_IMAGE_PART_COUNT) }

  /// The parts in address order.
  static func part(_ index: Int) -> Part {
    let part = kernel_image_part(UInt32(index))
    let protection: Protection =
      switch part.use {
      case KERNEL_IMAGE_CODE: .readExecute
      case KERNEL_IMAGE_CONSTANTS: .readOnly
      default: .readWrite
      }
    return Part(pages: pages(from: part.start, upTo: part.end), protection: protection)
  }

  static var constants: PageRange { part(1).pages }

  static func part(containing page: PageNumber) -> Part? {
    for index in 0..<partCount where part(index).pages.contains(page) { return part(index) }
    return nil
  }

  /// All of it, the guards included: where it was loaded, and how much.
  static var all: (start: PhysicalAddress, byteCount: UInt64) {
    let image = kernel_image()
    return (PhysicalAddress(UInt64(image.start)), UInt64(image.end - image.start))
  }

  /// The frames of all of it.
  static var frames: FrameRange {
    let image = kernel_image()
    return FrameRange(
      from: PhysicalAddress(UInt64(image.start)).number(Platform.pageSize),
      upTo: PhysicalAddress(UInt64(image.end)).number(Platform.pageSize))
  }

  /// What lies below the first CPU's stack.
  static var stackGuard: PageRange { stackGuard(0) }

  /// What lies below the stack of this number.
  private static func stackGuard(_ index: UInt32) -> PageRange {
    let pages = kernel_stack_guard(index)
    return self.pages(from: pages.start, upTo: pages.end)
  }

  /// Whether a page lies below one of the first CPU's stacks.
  static func isStackGuard(_ page: PageNumber) -> Bool {
    for index in 0..<UInt32(KERNEL_STACK_COUNT) where stackGuard(index).contains(page) { return true }
    return false
  }

  /// Where the first CPU's usual stack begins.
  static var stackStart: UInt { kernel_stack(0).start }

  private static func pages(from start: UInt, upTo end: UInt) -> PageRange {
    PageRange(
      from: VirtualAddress(UInt64(start)).number(Platform.pageSize),
      upTo: VirtualAddress(UInt64(end)).number(Platform.pageSize))
  }
}
