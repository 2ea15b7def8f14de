#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Why a file could not be read, as a sentence for the person who named it.
public enum InputError: Error, Equatable, CustomStringConvertible {
  /// There is no such file.
  case missing(String)
  /// The file may not be read by this user.
  case notPermitted(String)
  /// The name is that of a directory.
  case directory(String)
  /// The system refused: the error number of `open` or `read`.
  case system(String, Int32)
  /// The contents are of a kind that is not read, and what to do instead.
  case unsuitable(String, String)

  /// The error for what `open` or `read` of `path` left in `errno`.
  static func fromErrno(_ path: String, _ number: Int32) -> InputError {
    switch number {
    case ENOENT: .missing(path)
    case EACCES, EPERM: .notPermitted(path)
    case EISDIR: .directory(path)
    default: .system(path, number)
    }
  }

  public var description: String {
    switch self {
    case .missing("/proc/allocinfo"):
      "/proc/allocinfo does not exist: this kernel has no memory allocation profiling, or it is off."
    case .missing(let path): "\(path): there is no such file."
    case .notPermitted(let path) where path.hasPrefix("/proc/"):
      "\(path): permission denied; the file has mode 0400: run as root."
    case .notPermitted(let path): "\(path): permission denied."
    case .directory(let path): "\(path) is a directory, not a file."
    case .system(let path, EIO) where path.hasPrefix("/proc/"):
      "\(path) vanished while it was read, as it does when its part of the kernel is turned off: read it again."
    case .system(let path, let number):
      "\(path): \(unsafe String(cString: strerror(number))) (error \(number))."
    case .unsuitable(let path, let reason): "\(path): \(reason)."
    }
  }
}
