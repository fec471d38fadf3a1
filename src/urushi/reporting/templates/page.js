"use strict";
// What the scripts of a report share.
const root = document.documentElement;
const find = (selector) => document.querySelector(selector);
const findAll = (selector) => [...document.querySelectorAll(selector)];
root.classList.add("with-js"); // without scripts the controls stay hidden and the page reads as it is
const report = JSON.parse(find("#urushi-report").textContent);
