"""Read by PyInstaller when it freezes a program that imports Urushi."""

from urushi.catalogue.freezing import data_files, modules

hiddenimports = modules()
datas = data_files()
