"""What the tests put on all functions of the package: beartype checks types, jaxtyping the shapes of arrays.

jaxtyping's own import hook wraps every function, at some 60 microseconds a call; here it wraps those alone whose
signature states an array, and the suite takes two thirds of the processor time.
"""

import ast
import sys
from dataclasses import is_dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from typing import Any

from beartype import BeartypeConf, beartype
from jaxtyping import jaxtyped

BY_TYPE = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=TypeError))  # an int is a float
NAME = "checked_at_run_time"  # of `checked` within a module


def checked(function: Any) -> Any:
    """Check the arguments and what is returned at each call; of a class, what its dataclass's fields are made of."""
    if isinstance(function, type):
        if is_dataclass(function) and "__init__" in vars(function):
            function.__init__ = checked(function.__init__)
        return function
    stated = " ".join(map(repr, getattr(function, "__annotations__", {}).values()))
    return jaxtyped(function, typechecker=BY_TYPE) if "jaxtyping" in stated else BY_TYPE(function)


class _Everywhere(ast.NodeTransformer):
    """Decorates what is defined: below its own decorators, which may hide what is stated; a class above them.

    What a module imports for type checkers alone is not there at run time: what is stated of it is left out.
    """

    def __init__(self) -> None:
        self.unknown: set[str] = set()

    def visit_If(self, node: ast.If) -> ast.AST:
        if "TYPE_CHECKING" in ast.unparse(node.test):
            self.unknown |= {each.name for each in ast.walk(node) if isinstance(each, ast.alias)}
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg) and argument.annotation and self._is_unknown(argument.annotation):
                argument.annotation = None
        node.returns = None if node.returns and self._is_unknown(node.returns) else node.returns
        node.decorator_list.append(ast.copy_location(ast.Name(NAME, ast.Load()), node))
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if self._is_unknown(node.annotation):
            node.annotation = ast.copy_location(ast.Name("object", ast.Load()), node)
        return node

    def _is_unknown(self, annotation: ast.expr) -> bool:
        return any(name in ast.unparse(annotation) for name in self.unknown)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list.insert(0, ast.copy_location(ast.Name(NAME, ast.Load()), node))
        return self.generic_visit(node)


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> Any:
        tree = ast.parse(self.get_data(self.path), self.path)
        return compile(ast.fix_missing_locations(_Everywhere().visit(tree)), self.path, "exec", dont_inherit=True)

    def exec_module(self, module: Any) -> None:
        setattr(module, NAME, checked)
        super().exec_module(module)


class _Finder(MetaPathFinder):
    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname.split(".")[0] != self.package:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def check(package: str) -> None:
    """Check whatever is imported of a package from now on."""
    sys.meta_path.insert(0, _Finder(package))
