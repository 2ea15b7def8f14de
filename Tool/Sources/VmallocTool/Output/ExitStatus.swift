import ArgumentParser
import LinuxMemory
import VmallocReplay

/// The exit statuses, which scripts depend on.
enum ExitStatus: Int32 {
  case success = 0
  /// A limit that the user set was met.
  case limitMet = 1
  case usage = 2
  /// A file could not be read.
  case unreadable = 3
  /// Under `--strict`: data was lost.
  case dataLost = 4

  /// Ends the program with this status.
  var code: ExitCode { ExitCode(rawValue) }

  /// Runs the work of a command; errors of reading become a sentence and a status.
  static func catching(_ work: () throws -> Void) throws {
    do {
      try work()
    } catch let error as InputError {
      Screen.complain("vmalloc: \(error.description)")
      throw unreadable.code
    } catch let error as RecordingError {
      Screen.complain("vmalloc: \(error.description)")
      throw (error.isOfStrict ? dataLost : unreadable).code
    } catch let error as ReplayFailure {
      Screen.complain("vmalloc: \(error.description)")
      throw limitMet.code
    } catch let error as DamagedLine {
      Screen.complain("vmalloc: \(error.description)")
      throw dataLost.code
    }
  }
}
