@testable import KernelMemory

/// Options that charge a tag, and are the usual ones else.
func objects(_ tag: KernelMemory.Tag) -> KmallocOptions {
  var options = KmallocOptions()
  options.tag = tag
  return options
}

func areas(_ tag: KernelMemory.Tag) -> VmallocOptions {
  var options = VmallocOptions()
  options.tag = tag
  return options
}
